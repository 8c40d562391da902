"""The TIR emitter that ops write their step with, and the schedule of a device."""
