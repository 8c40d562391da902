"""The TIR emitter that ops write their step with: blocks, event lists, and its form for a GPU."""
