# SPDX-License-Identifier: Apache-2.0
# Two programs, since libcurl (cli) and BoringSSL (observe) must not meet in one.
culvert_unit_test(cli_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/cli_check_test.cc ${CMAKE_CURRENT_LIST_DIR}/cli_render_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/cli_client_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/cli_policies_test.cc
  USES cli base)
# The command itself against the documents the daemon makes.
find_package(Threads REQUIRED)
culvert_unit_test(cli_command_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/cli_command_test.cc
  USES control observe identity crypto base Threads::Threads)
target_compile_definitions(cli_command_test PRIVATE CULVERT_COMMAND="$<TARGET_FILE:culvert>")
add_dependencies(cli_command_test culvert)
