# Debian's libxxhash-dev has no CMake package.
# Defines xxHash::xxhash, and TROUPE_XXHASH_DISPATCH for its users where the library chooses its vector
# instructions at run time (on x86; else those that every processor has).
include(CheckLibraryExists)
find_path(xxHash_INCLUDE_DIR xxhash.h)
find_library(xxHash_LIBRARY xxhash)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(xxHash REQUIRED_VARS xxHash_LIBRARY xxHash_INCLUDE_DIR)
if(xxHash_FOUND AND NOT TARGET xxHash::xxhash)
  add_library(xxHash::xxhash UNKNOWN IMPORTED)
  set_target_properties(xxHash::xxhash PROPERTIES IMPORTED_LOCATION ${xxHash_LIBRARY}
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${xxHash_INCLUDE_DIR})
  if(EXISTS ${xxHash_INCLUDE_DIR}/xxh_x86dispatch.h)
    check_library_exists(${xxHash_LIBRARY} XXH3_64bits_withSeed_dispatch "" xxHash_DISPATCH)
    if(xxHash_DISPATCH)
      target_compile_definitions(xxHash::xxhash INTERFACE TROUPE_XXHASH_DISPATCH)
    endif()
  endif()
endif()
mark_as_advanced(xxHash_INCLUDE_DIR xxHash_LIBRARY)
