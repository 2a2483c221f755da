#include <pybind11/pybind11.h>

#include "bindings/bind_kernels.h"
#include "bindings/bind_program.h"
#include "bindings/bind_training.h"

PYBIND11_MODULE(_core, m) {
  m.doc() = "The compiled core of ganglion: programs, the CPU engine, and training loops.";
  m.attr("__version__") = GANGLION_VERSION;
  ganglion::bind_program(m);
  ganglion::bind_kernels(m);
  ganglion::bind_training(m);
}
