# troupe_module(NAME [FOLDER dir] [WITHOUT dir] [USES modules...] [PRIVATE_USES modules...] [PRIVATE_LINKS targets...])
#
# One folder, one static library, one include root of its own: build/modules/NAME/NAME -> FOLDER. A module
# sees the headers of the modules that it uses and no others, so an include against the direction of the
# architecture does not compile. (With the repository root as include path it would.)
# Sources are globbed: nothing can be left out of a list.
function(troupe_module name)
  cmake_parse_arguments(arg "" "FOLDER;WITHOUT" "USES;PRIVATE_USES;PRIVATE_LINKS" ${ARGN})
  set(folder ${PROJECT_SOURCE_DIR}/${name})
  set(root ${PROJECT_BINARY_DIR}/modules/${name})
  if(arg_FOLDER)
    # The public face is included as <troupe.hpp> and <troupe/...>: its folder is the root itself.
    set(folder ${PROJECT_SOURCE_DIR}/${arg_FOLDER})
    set(root ${folder})
  else()
    file(MAKE_DIRECTORY ${root})
    file(CREATE_LINK ${folder} ${root}/${name} SYMBOLIC)
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  if(arg_WITHOUT) # a folder of sources that others build
    list(FILTER sources EXCLUDE REGEX "^${folder}/${arg_WITHOUT}/")
  endif()
  if(NOT sources)
    # A module of headers only is still a static library: the first source changes nothing for its users.
    set(sources ${PROJECT_BINARY_DIR}/modules/empty.cpp)
    file(CONFIGURE OUTPUT ${sources} CONTENT "// This module has no source yet.\n")
  endif()
  add_library(troupe_${name} STATIC ${sources})
  add_library(troupe::${name} ALIAS troupe_${name})
  set_target_properties(troupe_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(troupe_${name} PUBLIC $<BUILD_INTERFACE:${root}> $<INSTALL_INTERFACE:include>)
  list(TRANSFORM arg_USES PREPEND troupe::)
  list(TRANSFORM arg_PRIVATE_USES PREPEND troupe::)
  target_link_libraries(troupe_${name} PUBLIC ${arg_USES} PRIVATE ${arg_PRIVATE_USES} ${arg_PRIVATE_LINKS})
  troupe_flags(troupe_${name})
endfunction()

# Flags of our own code. -ffp-contract=off: the same expression gives the same bits in a vectorised loop
# body, in its tail and in another function. -Wno-restrict: GCC 12 warns about every short text that is put
# together (bug 105651).
function(troupe_flags target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wconversion -Wno-missing-field-initializers -Wno-restrict -ffp-contract=off
    $<$<CONFIG:Release>:-O3> $<$<BOOL:${TROUPE_STRICT}>:-Werror>)
  if(TROUPE_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${TROUPE_SANITIZE} -fno-omit-frame-pointer
      -fno-sanitize-recover=all) # else what is undefined is printed, and the test passes
    target_link_options(${target} PUBLIC -fsanitize=${TROUPE_SANITIZE})
  endif()
endfunction()
