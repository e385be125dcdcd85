"""Finding the weight of the regularizer in few short trainings."""
