"""The central planner's client: asks the city's planning service, believes nothing it says, works without it."""
