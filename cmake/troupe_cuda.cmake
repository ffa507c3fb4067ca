# troupe::cuda, the device on CUDA (gpu/cuda), where CUDA and cuDNN are found; TROUPE_CUDA=ON insists, OFF leaves it out.
set(TROUPE_CUDA AUTO CACHE STRING "Build for CUDA GPUs: AUTO (where CUDA 13 and cuDNN 9 are found), ON or OFF")
set_property(CACHE TROUPE_CUDA PROPERTY STRINGS AUTO ON OFF)

function(troupe_find_cuda missing)
  set(${missing} "" PARENT_SCOPE)
  find_package(CUDAToolkit 13 QUIET)
  if(NOT CUDAToolkit_FOUND OR NOT CUDAToolkit_NVCC_EXECUTABLE)
    set(${missing} "CUDA 13 with nvcc" PARENT_SCOPE)
    return()
  endif()
  find_path(CUDNN_INCLUDE cudnn_version.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_library(CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR})
  set(version "")
  if(CUDNN_INCLUDE AND CUDNN_LIBRARY)
    file(STRINGS ${CUDNN_INCLUDE}/cudnn_version.h version REGEX "^#define CUDNN_MAJOR +9")
  endif()
  if(NOT version)
    set(${missing} "cuDNN 9" PARENT_SCOPE)
  endif()
endfunction()

# Programs load a library that was built from the same interface.
set(interface gpu/device.hpp gpu/open_device.hpp ops/kernels/memory_space.hpp ops/loss.hpp ops/optimizer.hpp
  ops/random.hpp)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${interface})
set(TROUPE_BUILD "Troupe ${PROJECT_VERSION}, interface")
foreach(file ${interface})
  file(SHA256 ${PROJECT_SOURCE_DIR}/${file} digest)
  string(SUBSTRING ${digest} 0 6 digest)
  string(APPEND TROUPE_BUILD " ${digest}")
endforeach()
target_compile_definitions(troupe_gpu PRIVATE TROUPE_BUILD="${TROUPE_BUILD}")

if(NOT TROUPE_CUDA)
  return()
endif()
troupe_find_cuda(missing)
if(missing)
  if(NOT TROUPE_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "TROUPE_CUDA is ${TROUPE_CUDA}, but ${missing} is not found. "
      "Install it, say where it is (-DCUDAToolkit_ROOT=DIR), or leave TROUPE_CUDA at AUTO.")
  endif()
  message(STATUS "Without CUDA: ${missing} is not found")
  return()
endif()

find_package(CUDAToolkit 13 REQUIRED) # its targets belong to the folder that asks
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90) # code for Ampere and Hopper, and PTX for what comes after
endif()
if(NOT CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
endif()
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION) # CMake 3.25 does not know it
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()

set(warnings -Wall -Wextra -Wshadow -Wconversion)
list(JOIN warnings "," for_nvcc)
# No contraction: the same expression gives the same bits.
file(GLOB kernel_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/gpu/cuda/*.cu)
add_library(troupe_cuda_kernels OBJECT ${kernel_sources})
set_target_properties(troupe_cuda_kernels PROPERTIES CUDA_STANDARD 20 CUDA_EXTENSIONS OFF)
target_include_directories(troupe_cuda_kernels PRIVATE ${PROJECT_BINARY_DIR}/modules/gpu ${PROJECT_BINARY_DIR}/modules/ops)
target_compile_options(troupe_cuda_kernels PRIVATE --fmad=false -Xcompiler=${for_nvcc} $<$<CONFIG:Release>:-O3>)

file(GLOB cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/gpu/cuda/*.cpp)
list(FILTER cuda_sources EXCLUDE REGEX "/library.cpp$")
add_library(troupe_cuda STATIC ${cuda_sources} $<TARGET_OBJECTS:troupe_cuda_kernels>)
add_library(troupe::cuda ALIAS troupe_cuda)
target_include_directories(troupe_cuda SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS} ${CUDNN_INCLUDE})
target_link_libraries(troupe_cuda PUBLIC troupe::gpu
  PRIVATE CUDA::cudart CUDA::cublas ${CUDNN_LIBRARY} fmt::fmt)
target_compile_options(troupe_cuda PRIVATE ${warnings} -ffp-contract=off $<$<CONFIG:Release>:-O3>)
# What programs load when they are asked for a GPU. It shares no symbols with them, so it has the few of
# `ops` that it needs.
add_library(troupe_cuda_library MODULE gpu/cuda/library.cpp
  ops/assert.cpp ops/error.cpp ops/flat.cpp ops/loss.cpp ops/optimizer.cpp ops/random.cpp ops/update_rules.cpp)
set_target_properties(troupe_cuda_library PROPERTIES OUTPUT_NAME troupe_cuda
  LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
set_target_properties(troupe_cuda troupe_cuda_kernels PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_link_libraries(troupe_cuda_library PRIVATE troupe_cuda fmt::fmt)
if(NOT TROUPE_SANITIZE) # the program has the sanitizers' functions
  target_link_options(troupe_cuda_library PRIVATE LINKER:--no-undefined)
endif()
troupe_flags(troupe_cuda_library)
target_compile_definitions(troupe_cuda_library PRIVATE TROUPE_BUILD="${TROUPE_BUILD}")
target_compile_definitions(troupe_gpu PRIVATE TROUPE_CUDA_LIBRARY="${PROJECT_BINARY_DIR}/libtroupe_cuda.so")
message(STATUS "With CUDA ${CUDAToolkit_VERSION}, for ${CMAKE_CUDA_ARCHITECTURES}")
