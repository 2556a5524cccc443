"""What the codes of every model are worth to a cosine nearest neighbour, and how long models are trained."""
