"""Complete programs. Run one by its name: ``python -m ganglion.examples.digits``.

digits
    Recognise handwritten digits: a network as the last step of a scikit-learn pipeline.
fashion_mnist
    Tell ten kinds of clothes apart: a dense network on Fashion-MNIST, read from files you have.
gallery
    Draw every picture there is of a network, of its training and of what came out.
regression
    Predict how far diabetes advances in a year, and see how descent and optimizer matter.
"""
