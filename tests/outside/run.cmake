# cmake -DBUILD=folder -DSCRATCH=folder -P run.cmake
# Installs BUILD into a prefix of its own, configures and builds the project beside this file against it, and
# runs its program. Each run has a folder of its own, removed when all went well.
string(RANDOM LENGTH 8 ALPHABET 0123456789abcdef name)
set(scratch ${SCRATCH}/${name})
function(step)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "failed (${result}): ${ARGN}\n${output}\nleft as it is: ${scratch}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()
step(${CMAKE_COMMAND} --install ${BUILD} --prefix ${scratch}/prefix)
step(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${scratch}/build -G Ninja
  -DCMAKE_PREFIX_PATH=${scratch}/prefix -DCMAKE_BUILD_TYPE=Release)
step(${CMAKE_COMMAND} --build ${scratch}/build)
step(${scratch}/build/driver)
if(NOT output MATCHES "conv")
  message(FATAL_ERROR "the driver printed no summary of a model:\n${output}")
endif()
file(REMOVE_RECURSE ${scratch})
