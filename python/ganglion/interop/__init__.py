"""Networks on their way to other libraries and back: ONNX, Keras, PyTorch.

`Sequential` documents what a user sees of it. Nothing here is loaded before it is used.
"""
