#include "cpu.hpp"

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace structmat {
namespace {

// The build defines STRUCTMAT_HAS_... for each instruction set that it compiles. The features are
// those of the levels x86-64-v3 and x86-64-v4; not every compiler knows the levels, or lzcnt, movbe
// and f16c, by name.
#if defined(STRUCTMAT_HAS_AVX2) || defined(STRUCTMAT_HAS_AVX512)
bool has_avx2() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  const unsigned movbe_and_f16c = (1u << 22) | (1u << 29);
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((ecx & movbe_and_f16c) != movbe_and_f16c) return false;
  const unsigned lzcnt = 1u << 5;
  if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((ecx & lzcnt) == 0) return false;
  // These also check that the operating system saves the registers.
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
#endif

#if defined(STRUCTMAT_HAS_AVX512)
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#endif

bool is_from_intel() {
#if defined(__x86_64__)
  return __builtin_cpu_is("intel");
#else
  return false;
#endif
}

InstructionSets find() {
  InstructionSets found = {};
  const auto add = [&found](const Kernels& kernels) { found.kernels[found.count++] = &kernels; };
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
#if defined(STRUCTMAT_HAS_AVX512)
  if (has_avx512()) add(kernels_avx512());
#endif
#if defined(STRUCTMAT_HAS_AVX2)
  if (has_avx2()) add(kernels_avx2());
#endif
#if defined(STRUCTMAT_HAS_NEON)
  add(kernels_neon());
#endif
#if defined(STRUCTMAT_HAS_BASELINE)
  add(kernels_baseline());
#endif
  return found;
}

}  // namespace

const InstructionSets& instruction_sets() {
  static const InstructionSets found = find();
  return found;
}

const Kernels* find_kernels(const char* name) {
  const InstructionSets& sets = instruction_sets();
  for (int i = 0; i < sets.count; ++i) {
    if (*name == '\0' || std::strcmp(name, sets.kernels[i]->name) == 0) return sets.kernels[i];
  }
  return nullptr;
}

// Measured on a Xeon of 2.5 GHz with AVX-512, and on an EPYC with AVX-512 that gains little by
// registers of 64 bytes.
const LongRows& long_rows() {
  static const LongRows found =
      is_from_intel() ? LongRows{1024, 1024, 3072} : LongRows{512, 8192, 512};
  return found;
}

std::string names_of_instruction_sets() {
  std::string names;
  const InstructionSets& sets = instruction_sets();
  for (int i = 0; i < sets.count; ++i) {
    if (i > 0) names += ", ";
    names += sets.kernels[i]->name;
  }
  return names;
}

}  // namespace structmat
