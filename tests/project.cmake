# Tests of the project itself: what a user outside gets, and the style guide.
add_test(NAME "outside project builds against the install tree" COMMAND ${CMAKE_COMMAND}
  -DBUILD=${PROJECT_BINARY_DIR} -DSCRATCH=${CMAKE_CURRENT_BINARY_DIR}/outside
  -P ${CMAKE_CURRENT_SOURCE_DIR}/outside/run.cmake)
set_tests_properties("outside project builds against the install tree" PROPERTIES TIMEOUT 180)
