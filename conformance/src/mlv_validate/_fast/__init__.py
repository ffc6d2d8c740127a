"""The fast path: what is surely known about the lines of a stream, without judging each of them."""
