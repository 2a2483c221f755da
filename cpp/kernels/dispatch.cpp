// The choice of the instruction set: once, by what the processor has or by GANGLION_ISA.
#include <cstdlib>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/processor.h"
#include "kernels/tables.h"

namespace ganglion {

namespace {

struct Isa {
  const char* name;
  const KernelTable<float>& (*float_table)();
  const KernelTable<double>& (*double_table)();
};

// Best first.
std::vector<Isa> supported_isas() {
  std::vector<Isa> isas;
#if defined(__x86_64__)
  const ProcessorLevels levels = processor_levels();
  if (levels.v4) isas.push_back({"avx512", avx512::float_table, avx512::double_table});
  if (levels.v3) isas.push_back({"avx2", avx2::float_table, avx2::double_table});
  if (levels.v2) isas.push_back({"baseline", baseline::float_table, baseline::double_table});
#elif defined(__aarch64__)
  isas.push_back({"neon", neon::float_table, neon::double_table});
#else
  isas.push_back({"baseline", baseline::float_table, baseline::double_table});
#endif
  return isas;
}

Isa choose() {
  const std::vector<Isa> isas = supported_isas();
  check(!isas.empty(), "[ganglion] this processor is older than x86-64-v2");
  const char* const wanted = std::getenv("GANGLION_ISA");
  if (!wanted || !*wanted) return isas.front();
  std::string names;
  for (const Isa& isa : isas) {
    if (std::string(wanted) == isa.name) return isa;
    names += (names.empty() ? "" : ", ") + std::string(isa.name);
  }
  throw Error(concatenate("[GANGLION_ISA] '", wanted, "' is not an instruction set of this machine: ", names));
}

const Isa& chosen() {
  static const Isa isa = choose();
  return isa;
}

}  // namespace

template <>
const KernelTable<float>& kernels<float>() {
  static const KernelTable<float>& table = chosen().float_table();
  return table;
}

template <>
const KernelTable<double>& kernels<double>() {
  static const KernelTable<double>& table = chosen().double_table();
  return table;
}

const char* kernel_isa() { return chosen().name; }

std::vector<const char*> available_isas() {
  std::vector<const char*> names;
  for (const Isa& isa : supported_isas()) names.push_back(isa.name);
  return names;
}

}  // namespace ganglion
