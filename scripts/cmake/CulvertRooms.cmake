# SPDX-License-Identifier: Apache-2.0
# How every part of culvert is compiled, and the two functions by which rooms and their unit tests
# are declared.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON) # TRY is a statement expression
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

set(CULVERT_SANITIZE "" CACHE STRING "address,undefined or thread")
option(CULVERT_FUZZ "build the fuzz targets (clang)" OFF)
set(CULVERT_BORINGSSL_ROOT "" CACHE PATH "a built BoringSSL: include/, lib/libssl.a, lib/libcrypto.a")
if(NOT CULVERT_BORINGSSL_ROOT)
  execute_process(COMMAND ${CMAKE_SOURCE_DIR}/scripts/boringssl/build --print
                  OUTPUT_VARIABLE CULVERT_BORINGSSL_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE
                  COMMAND_ERROR_IS_FATAL ANY)
endif()
if(NOT EXISTS ${CULVERT_BORINGSSL_ROOT}/lib/libssl.a)
  message(FATAL_ERROR "no BoringSSL in '${CULVERT_BORINGSSL_ROOT}': run scripts/boringssl/build")
endif()

add_library(culvert_flags INTERFACE)
target_include_directories(culvert_flags INTERFACE ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(culvert_flags INTERFACE CULVERT_VERSION="${PROJECT_VERSION}")
target_compile_options(culvert_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # -Wno-deprecated-declarations: libstdc++ 12's own stable_sort; g++ looks for our uses
  target_compile_options(culvert_flags INTERFACE -Wno-gnu-statement-expression
                         -Wno-deprecated-declarations)
else()
  # g++ 12 takes __extension__ away from a statement expression inside a template
  target_compile_options(culvert_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-pedantic>)
endif()
if(CULVERT_SANITIZE)
  target_compile_options(culvert_flags INTERFACE -fsanitize=${CULVERT_SANITIZE}
                         -fno-sanitize-recover=all
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(culvert_flags INTERFACE -fsanitize=${CULVERT_SANITIZE})
endif()
if(CULVERT_FUZZ)
  target_compile_options(culvert_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined)
  target_link_options(culvert_flags INTERFACE -fsanitize=address,undefined)
endif()

add_library(boringssl_crypto STATIC IMPORTED)
set_target_properties(boringssl_crypto PROPERTIES
  IMPORTED_LOCATION ${CULVERT_BORINGSSL_ROOT}/lib/libcrypto.a
  INTERFACE_INCLUDE_DIRECTORIES ${CULVERT_BORINGSSL_ROOT}/include)
add_library(boringssl_ssl STATIC IMPORTED)
set_target_properties(boringssl_ssl PROPERTIES
  IMPORTED_LOCATION ${CULVERT_BORINGSSL_ROOT}/lib/libssl.a
  INTERFACE_INCLUDE_DIRECTORIES ${CULVERT_BORINGSSL_ROOT}/include
  INTERFACE_LINK_LIBRARIES boringssl_crypto)

# culvert_room(NAME SOURCES a.cc … [USES rooms or libraries …] [EXCEPTIONS])
# A room is a static library; its private headers lie beside its sources. Data rooms have no
# exceptions; a room around a library that throws says so.
function(culvert_room name)
  cmake_parse_arguments(ROOM "EXCEPTIONS" "" "SOURCES;USES" ${ARGN})
  add_library(culvert_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(culvert_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  culvert_resolve(libraries ${ROOM_USES})
  target_link_libraries(culvert_${name} PUBLIC culvert_flags ${libraries})
  if(NOT ROOM_EXCEPTIONS)
    target_compile_options(culvert_${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
  endif()
endfunction()

# culvert_unit_test(NAME SOURCES a.cc … USES rooms …): one Catch2 program, one ctest entry each.
# A test may reach the private headers of the room it tests.
function(culvert_unit_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;USES" ${ARGN})
  add_executable(${name} ${TEST_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/userspace
                             ${CMAKE_SOURCE_DIR}/tests)
  culvert_resolve(libraries ${TEST_USES})
  target_link_libraries(${name} PRIVATE ${libraries} culvert_flags Catch2::Catch2WithMain)
  add_test(NAME unit.${name} COMMAND ${name})
  set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()

# Names of rooms become their targets; anything else is taken as a target or library.
function(culvert_resolve result)
  set(out "")
  foreach(name ${ARGN})
    if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/userspace/${name})
      list(APPEND out culvert_${name})
    else()
      list(APPEND out ${name})
    endif()
  endforeach()
  set(${result} "${out}" PARENT_SCOPE)
endfunction()
