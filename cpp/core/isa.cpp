#include "isa.h"

#include <cstdlib>
#include <stdexcept>

#include "platform/tile_permission.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace latentknn {
namespace {

struct InstructionSet {
  const char* name;
  const KernelTable* (*kernels)();
  bool (*supported)();
};

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_avx512_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
#ifdef LATENTKNN_AVX_VNNI_STAND_IN
bool has_avx_vnni() { return has_avx512_vnni(); }
#else
bool has_avx_vnni() { return has_avx2() && __builtin_cpu_supports("avxvnni"); }
#endif
bool has_amx() { return has_avx512_vnni() && __builtin_cpu_supports("avx512vbmi2") && tile_permission().granted; }
bool has_neon() { return false; }
#else
bool has_avx2() { return false; }
bool has_avx_vnni() { return false; }
bool has_avx512() { return false; }
bool has_avx512_vnni() { return false; }
bool has_amx() { return false; }
bool has_neon() { return true; }  // AArch64 always has it; elsewhere the kernels are null
#endif

#if defined(__aarch64__) && defined(__linux__)
bool has_neon_dotprod() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
bool has_neon_i8mm() { return has_neon_dotprod() && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }
#elif defined(__aarch64__) && defined(__APPLE__)
bool has_neon_dotprod() { return true; }  // all of Apple's processors that run macOS have it
bool has_neon_i8mm() {
  int has = 0;
  size_t bytes = sizeof has;
  return sysctlbyname("hw.optional.arm.FEAT_I8MM", &has, &bytes, nullptr, 0) == 0 && has != 0;
}
#else
bool has_neon_dotprod() { return false; }
bool has_neon_i8mm() { return false; }
#endif

// The instruction sets, slowest first.
constexpr InstructionSet kInstructionSets[] = {
#ifdef LATENTKNN_AMX_STAND_IN
    {"amx_stand_in", &amx_stand_in_kernels, [] { return true; }},
#endif
    {"baseline", &baseline_kernels, [] { return true; }},
    {"avx2", &avx2_kernels, &has_avx2},
    {"avx_vnni", &avx_vnni_kernels, &has_avx_vnni},
    {"avx512", &avx512_kernels, &has_avx512},
    {"avx512_vnni", &avx512_vnni_kernels, &has_avx512_vnni},
    {"amx", &amx_kernels, &has_amx},
    {"neon", &neon_kernels, &has_neon},
    {"neon_dotprod", &neon_dotprod_kernels, &has_neon_dotprod},
    {"neon_i8mm", &neon_i8mm_kernels, &has_neon_i8mm},
};

bool available(const InstructionSet& each) { return each.kernels() != nullptr && each.supported(); }

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const InstructionSet& each : kInstructionSets) {
    if (available(each)) names.emplace_back(each.name);
  }
  return names;
}

std::vector<std::string> refused_isas() {
  if (tile_permission().refusal.empty()) return {};
  return {"amx (" + tile_permission().refusal + ")"};
}

const KernelTable& select_kernels() {
  const char* const forced = std::getenv("LATENTKNN_ISA");
  const InstructionSet* chosen = nullptr;
  bool known = false;
  for (const InstructionSet& each : kInstructionSets) {
    const bool named = forced != nullptr && std::string(forced) == each.name;
    known = known || named;
    if ((named || forced == nullptr) && available(each)) chosen = &each;
  }
  if (chosen != nullptr) return *chosen->kernels();
  throw std::invalid_argument(
      "LATENTKNN_ISA=" + std::string(forced) +
      (known ? " names an instruction set that this processor lacks" : " names no instruction set of latentknn") +
      "; available here: " + joined(available_isas()) +
      (refused_isas().empty() ? "" : "; refused: " + joined(refused_isas())));
}

}  // namespace latentknn
