"""What goes over the wire between Sublet's parts, as pydantic models.

Unknown keys are refused, strings are bounded, times are aware. Nothing that arrives is trusted
beyond its schema: who the sender is comes from the connection, never from the message.
"""
