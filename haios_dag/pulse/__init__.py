"""Whether beats come: liveness, the watchdog, notifications, and beats in the foreground."""
