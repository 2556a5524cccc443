# Fails if a kernel file emits a weak symbol: the linker keeps one copy of such a function, and if that is
# the copy compiled for AVX-512, older processors crash in code that has nothing to do with it.
execute_process(COMMAND ${NM} -A ${LIBRARY} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]*(avx2|avx512|baseline|neon)\\.cpp\\.o:[^\n]*" kernels "${symbols}")
if(NOT kernels)
  message(FATAL_ERROR "no kernel object found in ${LIBRARY}")
endif()
string(REGEX MATCHALL "[^;]* [WVu] [^;]*" weak "${kernels}")
if(weak)
  string(REPLACE ";" "\n" weak "${weak}")
  message(FATAL_ERROR "kernel files emit weak symbols:\n${weak}")
endif()
