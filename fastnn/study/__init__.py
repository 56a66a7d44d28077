"""What measured times say: the law of cost, and the time of networks that never ran."""
