"""The pages over HTTP and a WebSocket, of this machine alone."""
