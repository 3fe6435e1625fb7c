# SPDX-License-Identifier: Apache-2.0
find_package(Threads REQUIRED)
culvert_unit_test(control_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/control_test.cc ${CMAKE_CURRENT_LIST_DIR}/control_http_test.cc
  USES control base Threads::Threads)
