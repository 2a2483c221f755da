"""Complete programs. Run one by its name: ``python -m ganglion.examples.digits``.

adult
    Tell who earns over 50,000 dollars: numbers, categories and gaps, from files you have.
autoencoder
    Write images down in a few numbers, clean noisy ones, and find those of an unknown kind.
california
    Predict what houses cost: a table with a gap and a category, from a file you have.
capsule
    Capsules beside a convolutional network of equal size, on images that were moved or turned.
characters
    Read a text character by character until one can go on with it: a model of its language.
custom
    Networks of your own: five parts written in a few lines each, checked, and trained on real data.
digits
    Recognise handwritten digits: a network as the last step of a scikit-learn pipeline.
fashion_mnist
    Tell ten kinds of clothes apart: dense, convolutional or a ResNet, from files you have.
forecast
    Forecast loads and temperature of a transformer, hour by hour, from a file you have.
gallery
    Draw every picture there is of a network, of its training and of what came out.
gan
    Two networks against each other: one draws images, the other tells them from real ones.
names
    Tell which language a name is from, letter by letter.
regression
    Predict how far diabetes advances in a year, and see how descent and optimizer matter.
search
    Search for good settings in four ways: grid, random, halving over epochs, and Optuna.
sentiment
    Tell good reviews of films from bad ones, by sentences from files you have.
sums
    Learn to add by reading: "12+35" goes in, letter by letter, and "47" comes out.
tagging
    Name the part of speech of every word: a tag for each step of a sequence.
transfer
    Learn from few X-rays, with and without having seen sixty thousand clothes before.
vae
    Learn what images look like, and draw new ones: a variational autoencoder.
waves
    Draw a wave from three numbers: one vector goes in, a sequence comes out.
xray
    Tell sick chests from healthy ones on X-rays of children, from a file you have.
"""
