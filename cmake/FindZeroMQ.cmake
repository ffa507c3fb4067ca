# Debian's cppzmq-dev asks for a CMake package of ZeroMQ that libzmq3-dev does not have.
# Defines ZeroMQ::zmq (the library, and the C++ header of cppzmq).
find_path(ZeroMQ_INCLUDE_DIR zmq.hpp)
find_library(ZeroMQ_LIBRARY zmq)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(ZeroMQ REQUIRED_VARS ZeroMQ_LIBRARY ZeroMQ_INCLUDE_DIR)
if(ZeroMQ_FOUND AND NOT TARGET ZeroMQ::zmq)
  add_library(ZeroMQ::zmq UNKNOWN IMPORTED)
  set_target_properties(ZeroMQ::zmq PROPERTIES IMPORTED_LOCATION ${ZeroMQ_LIBRARY}
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${ZeroMQ_INCLUDE_DIR})
endif()
mark_as_advanced(ZeroMQ_INCLUDE_DIR ZeroMQ_LIBRARY)
