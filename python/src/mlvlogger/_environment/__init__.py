"""How, where and in which state of the code this process runs: facts for a meta record, or reasons why not."""
