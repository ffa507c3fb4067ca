# Tests of the project itself: what a user outside gets, and the style guide.
add_test(NAME "outside project builds against the install tree" COMMAND ${CMAKE_COMMAND}
  -DBUILD=${PROJECT_BINARY_DIR} -DSCRATCH=${CMAKE_CURRENT_BINARY_DIR}/outside
  -P ${CMAKE_CURRENT_SOURCE_DIR}/outside/run.cmake)
set_tests_properties("outside project builds against the install tree" PROPERTIES TIMEOUT 180)

find_program(PYTHON3 python3 REQUIRED)
add_test(NAME tidy COMMAND ${PYTHON3} ${PROJECT_SOURCE_DIR}/tools/tidy.py)
add_test(NAME "roles reach the outside through their context alone"
  COMMAND ${PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/role_ports.py $<TARGET_FILE:troupe_actors>)
add_test(NAME docs COMMAND ${PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/docs.py)
# Trains for two epochs: a minute.
add_test(NAME "the quickstart runs" COMMAND example_quickstart)
set_tests_properties("the quickstart runs" PROPERTIES LABELS long TIMEOUT 600
  PASS_REGULAR_EXPRESSION "test accuracy 0\\.[89]")

# Each of these prints whether its digests agree.
foreach(example pipeline hybrid all_reduce parameter_server own_topology simulated_cluster fault_injection)
  add_test(NAME "the example ${example} runs" COMMAND example_${example})
  set_tests_properties("the example ${example} runs" PROPERTIES TIMEOUT 120
    PASS_REGULAR_EXPRESSION "digest [0-9a-f]+[^\n]*: the bits of|the same bits" FAIL_REGULAR_EXPRESSION "OTHER BITS")
endforeach()

add_test(NAME "the example own_actors runs" COMMAND example_own_actors)
set_tests_properties("the example own_actors runs" PROPERTIES TIMEOUT 60
  PASS_REGULAR_EXPRESSION "worker/1: life 2.*the sum of 1000 squares is 333833500")

# With engines that are there; each says what it lacks and is skipped otherwise.
if(TARGET troupe_program)
  foreach(engine slurm mpirun kubernetes)
    add_test(NAME "engines: ${engine}"
      COMMAND ${PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/engines/${engine}.py $<TARGET_FILE:troupe_program>)
    set_tests_properties("engines: ${engine}" PROPERTIES LABELS engines TIMEOUT 300 SKIP_RETURN_CODE 77)
  endforeach()
  set_tests_properties("engines: slurm" PROPERTIES LABELS "engines;slurm;long")
endif()

# Real processes on this machine, with bits of one process (tests/processes).
if(TARGET troupe_program)
  function(troupe_process_test name)
    add_test(NAME "processes: ${name}" COMMAND ${PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/processes/${ARGN})
    set_tests_properties("processes: ${name}" PROPERTIES LABELS "processes;long" TIMEOUT 1800 SKIP_RETURN_CODE 77)
  endfunction()
  set(program $<TARGET_FILE:troupe_program>)
  troupe_process_test("some topologies" topologies.py ${program} --some)
  set_tests_properties("processes: some topologies" PROPERTIES LABELS processes TIMEOUT 200)
  troupe_process_test("all topologies" topologies.py ${program})
  troupe_process_test("drawn jobs" drawn.py ${program})
  troupe_process_test("stopped and killed" signals.py ${program})
  troupe_process_test("led by who dies" leader.py ${program})
  troupe_process_test("a storm of kills" storm.py ${program})
  troupe_process_test("interrupted" interrupts.py ${program})
  troupe_process_test("a crowd" crowd.py ${program})
  troupe_process_test("strangers" strangers.py ${program})
  troupe_process_test("two machines" two_machines.py ${program})
endif()
