"""Risk: what a payment looks like to fraud detection, and what is decided about it.

Belongs here: reading features, running rules and the promoted model, the assessment. Does not:
defining features or rules (`models.fraud`, shared with training), or acting on a decision
(`payments`).
"""
