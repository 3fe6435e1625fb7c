# SPDX-License-Identifier: Apache-2.0
# Every suite that is not a unit test. There is no skip: a suite that cannot run fails and says why.
#
# Two run at a time (scripts/test): the two virtual machines, then the end-to-end suites, each with a
# lab of its own and waiting for half of its time. What keeps all cores busy has the machine to itself
# (RUN_SERIAL).
#
# End-to-end suites are named by lists, one `name timeout command…` a line, `#` comments:
#   tests/e2e/suites.txt             here, with the release build           → e2e.NAME
#   tests/e2e/sanitizer-suites.txt   here, with daemons under ASan and UBSan → e2e.asan.NAME
#   tests/e2e/tsan-suites.txt        here, with daemons under TSan          → e2e.tsan.NAME
#   tests/e2e/vm-suites.txt          all lines in one boot of each kernel   → vm.6.1, vm.6.12
# The commands run in the source folder with CULVERT_BUILD naming the build folder.

if(CULVERT_SANITIZE)
  return() # these builds run their unit tests only; the suites below start them
endif()

set(vm_suites vm.6.1 vm.6.12)

function(culvert_suite name timeout)
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout} RUN_SERIAL TRUE)
endfunction()

# One test per line of a list. PREFIX: what the names begin with; BUILD: the build they run;
# further arguments: environment.
function(culvert_e2e prefix list build)
  set(file ${CMAKE_SOURCE_DIR}/tests/e2e/${list})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  if(NOT EXISTS ${file})
    culvert_suite(${prefix}list 10 sh -c "echo tests/e2e/${list} is missing; exit 1")
    return()
  endif()
  file(STRINGS ${file} lines REGEX "^[^#]")
  foreach(line ${lines})
    separate_arguments(words UNIX_COMMAND "${line}")
    list(POP_FRONT words name timeout)
    culvert_suite(${prefix}${name} ${timeout} ${words})
    # Not beside a virtual machine, which takes a core for itself.
    set_tests_properties(${prefix}${name} PROPERTIES LABELS e2e RUN_SERIAL FALSE DEPENDS "${vm_suites}"
                         ENVIRONMENT "CULVERT_BUILD=${build};${ARGN}")
  endforeach()
endfunction()

# The house.
culvert_suite(tidy 120 /usr/bin/python3 scripts/tidy.py)
culvert_suite(tidy.rules 120 /usr/bin/python3 tests/unit/tidy_test.py)
culvert_suite(format 120 scripts/format --check)
culvert_suite(clang-tidy 3600 scripts/clang-tidy)
set_tests_properties(tidy tidy.rules format clang-tidy PROPERTIES LABELS house)

# The unit tests under the sanitizers (built by the second compiler, clang 19), and the fuzz targets over their corpora.
foreach(preset asan tsan)
  culvert_suite(unit.${preset} 2400 scripts/lib/run-preset ${preset} -L "^(unit|netns)$")
endforeach()
set_tests_properties(unit.asan unit.tsan PROPERTIES LABELS sanitizer)
culvert_suite(fuzz 1800 scripts/lib/run-preset fuzz)
set_tests_properties(fuzz PROPERTIES LABELS fuzz)

# Two nodes on this machine, and in the virtual machines.
set(preset_dir ${CMAKE_SOURCE_DIR}/build)
culvert_e2e(e2e. suites.txt ${CMAKE_BINARY_DIR})
culvert_e2e(e2e.asan. sanitizer-suites.txt ${preset_dir}/asan
            ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1)
culvert_e2e(e2e.tsan. tsan-suites.txt ${preset_dir}/tsan
            TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:io_sync=0) # as in run-preset
foreach(kernel 6.1 6.12)
  culvert_suite(vm.${kernel} 3600 scripts/lib/vm-suites ${kernel})
endforeach()
set_tests_properties(${vm_suites} PROPERTIES LABELS vm RUN_SERIAL FALSE
                     ENVIRONMENT CULVERT_BUILD=${CMAKE_BINARY_DIR})
