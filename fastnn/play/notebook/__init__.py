"""The playground in a notebook: a page in a frame, its sessions in the kernel."""
