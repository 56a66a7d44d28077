"""Other libraries at the same work: in processes of their own, one at a time, in turn with ours."""
