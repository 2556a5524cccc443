#include "platform/tile_permission.h"

#include <cerrno>
#include <cstdint>
#include <system_error>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace latentknn {
namespace {

#if defined(__x86_64__) && defined(__linux__)
bool processor_has_tiles() {
  constexpr unsigned kTiles = 1u << 24, kInt8 = 1u << 25;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kTiles) != 0 && (d & kInt8) != 0;
}

// The state of tiles is their configuration and their contents: bits 17 and 18 of XCR0.
constexpr std::uint32_t kConfiguration = 1u << 17, kContents = 1u << 18;
constexpr long kContentsNumber = 18;

bool system_saves_tiles() {
  constexpr unsigned kHasXgetbv = 1u << 27;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kHasXgetbv) == 0) return false;
  std::uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kConfiguration) != 0 && (low & kContents) != 0;
}

int ask() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM, which older headers lack
  return syscall(SYS_arch_prctl, kRequestPermission, kContentsNumber) == 0 ? 0 : errno;
}
#else
bool processor_has_tiles() { return false; }
bool system_saves_tiles() { return false; }
int ask() { return ENOSYS; }
#endif

}  // namespace

TilePermission tile_permission(const TileQuestions& questions) {
  if (!questions.processor_has_tiles()) return {false, false, ""};
  if (!questions.system_saves_tiles()) return {true, false, "the operating system does not save its tile registers"};
  const int error = questions.ask();
  if (error == 0) return {true, true, ""};
  return {true, false, "the operating system refused its tile registers: " + std::generic_category().message(error)};
}

const TilePermission& tile_permission() {
  static const TilePermission permission = tile_permission({&processor_has_tiles, &system_saves_tiles, &ask});
  return permission;
}

}  // namespace latentknn
