# The extension _cuda. The runtime of CUDA is linked in, and asks for a driver only when it is used: the extension can
# be imported on a machine without one.
if(NOT LATENTKNN_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "LATENTKNN_CUDA is ${LATENTKNN_CUDA}; give AUTO, ON or OFF")
endif()
if(LATENTKNN_CUDA STREQUAL "OFF")
  return()
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(LATENTKNN_CUDA STREQUAL "ON")
    message(FATAL_ERROR "LATENTKNN_CUDA is ON, but there is no nvcc; set CUDACXX to it, or LATENTKNN_CUDA to OFF")
  endif()
  message(STATUS "latentknn: no nvcc, building for the CPU only")
  return()
endif()
if(NOT CMAKE_CUDA_ARCHITECTURES)
  # Hopper with what only it has, and, as PTX, all later ones.
  set(CMAKE_CUDA_ARCHITECTURES 80-real 89-real 90a-real 90-virtual)
endif()
enable_language(CUDA)
message(STATUS "latentknn: CUDA engine by nvcc ${CMAKE_CUDA_COMPILER_VERSION} for ${CMAKE_CUDA_ARCHITECTURES}")

pybind11_add_module(_cuda NO_EXTRAS
  cpp/bindings/cuda_module.cpp
  cpp/bindings/exchanged_array.cpp
  cpp/bindings/gil.cpp
  cpp/cuda/agree.cpp
  cpp/cuda/answers.cpp
  cpp/cuda/device_rows.cpp
  cpp/cuda/helpers.cpp
  cpp/cuda/pack.cu
  cpp/cuda/plan.cpp
  cpp/cuda/rank.cu
  cpp/cuda/runtime.cu
  cpp/cuda/screen.cu
  cpp/cuda/sharded_rows.cpp
  cpp/cuda/tighten.cu
  cpp/cuda/workspace.cpp)
# CMake 3.25 does not know that nvcc has C++20.
set_target_properties(_cuda PROPERTIES CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON CUDA_RUNTIME_LIBRARY Static)
target_include_directories(_cuda PRIVATE cpp/core cpp/cuda)
target_link_libraries(_cuda PRIVATE latentknn_core Threads::Threads)
target_compile_options(_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CXX>:${warnings}>
  $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr -Xfatbin=-compress-all>)
install(TARGETS _cuda DESTINATION latentknn)
