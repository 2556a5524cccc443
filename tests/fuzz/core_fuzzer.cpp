// The entry point for libFuzzer.
#include "core_case.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::try_case(data, size);
  return 0;
}
