# Tests of the project itself: what a user outside gets, and the style guide.
add_test(NAME "outside project builds against the install tree" COMMAND ${CMAKE_COMMAND}
  -DBUILD=${PROJECT_BINARY_DIR} -DSCRATCH=${CMAKE_CURRENT_BINARY_DIR}/outside
  -P ${CMAKE_CURRENT_SOURCE_DIR}/outside/run.cmake)
set_tests_properties("outside project builds against the install tree" PROPERTIES TIMEOUT 180)

find_program(PYTHON3 python3)
if(PYTHON3)
  add_test(NAME tidy COMMAND ${PYTHON3} ${PROJECT_SOURCE_DIR}/tools/tidy.py)
else()
  add_test(NAME tidy COMMAND ${CMAKE_COMMAND} -E echo "skipped: there is no python3 to run tools/tidy.py")
  set_tests_properties(tidy PROPERTIES SKIP_REGULAR_EXPRESSION "^skipped")
endif()
