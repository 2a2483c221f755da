#include "core/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#include <initializer_list>
#endif

namespace ganglion {

#if defined(__x86_64__)

namespace {

struct Registers {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

Registers ask(uint32_t leaf) {
  Registers answer;
  __get_cpuid_count(leaf, 0, &answer.a, &answer.b, &answer.c, &answer.d);
  return answer;
}

bool all(uint32_t answer, std::initializer_list<int> bits) {
  for (int bit : bits) {
    if (!(answer >> bit & 1)) return false;
  }
  return true;
}

// Which registers the operating system saves.
uint32_t saved_registers() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

}  // namespace

ProcessorLevels processor_levels() {
  const uint32_t basic = ask(1).c, more = ask(7).b, extended = ask(0x80000001).c;
  ProcessorLevels levels;
  // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF
  levels.v2 = all(basic, {0, 9, 13, 19, 20, 23}) && all(extended, {0});
  // FMA, MOVBE, OSXSAVE, AVX, F16C; LZCNT; BMI1, AVX2, BMI2; XMM and YMM saved
  levels.v3 = levels.v2 && all(basic, {12, 22, 27, 28, 29}) && all(extended, {5}) && all(more, {3, 5, 8}) &&
              all(saved_registers(), {1, 2});
  // AVX-512 F, DQ, CD, BW, VL; its registers saved
  levels.v4 = levels.v3 && all(more, {16, 17, 28, 30, 31}) && all(saved_registers(), {5, 6, 7});
  return levels;
}

#else

ProcessorLevels processor_levels() { return {}; }

#endif

}  // namespace ganglion
