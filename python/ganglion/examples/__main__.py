"""List the examples."""

from ganglion import examples

if __name__ == "__main__":
    print(examples.__doc__, end="")
