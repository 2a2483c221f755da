// The extension module of the engine: what the core needs to make programs ready on the device.
#include <pybind11/pybind11.h>

#include <string>

#include "engines/cuda/cuda_executable.h"
#include "engines/cuda/device.h"

PYBIND11_MODULE(GANGLION_MODULE, m) {
  m.doc() = "The CUDA engine of ganglion.";
  static const ganglion::Engine engine{ganglion::cuda::make_cuda_executable<float>,
                                       ganglion::cuda::make_cuda_executable<double>};
  m.attr("engine") = pybind11::capsule(&engine, ganglion::Engine::kCapsule);
  m.def(
      "missing",
      [] {
        const std::string reason = ganglion::cuda::Device::missing();
        return reason.empty() ? pybind11::object(pybind11::none()) : pybind11::object(pybind11::str(reason));
      },
      "Why the engine cannot be used here; None where it can.");
  m.def("count_kernels", ganglion::cuda::count_kernels,
        "Kernels that were started, or captured to be started together, in this process.");
}
