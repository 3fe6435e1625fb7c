# SPDX-License-Identifier: Apache-2.0
find_package(Threads REQUIRED)
# Loopback pairs, fixed keys and a peer made by hand, for the tests of the data rooms.
add_library(culvert_test_data_path STATIC ${CMAKE_CURRENT_LIST_DIR}/../support/data_path.cc)
target_include_directories(culvert_test_data_path PUBLIC ${CMAKE_CURRENT_LIST_DIR}/..)
target_link_libraries(culvert_test_data_path
  PUBLIC culvert_tunnel culvert_identity PRIVATE culvert_flags)

culvert_unit_test(ring_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/ring_test.cc ${CMAKE_CURRENT_LIST_DIR}/ring_timer_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/ring_mailbox_test.cc
  USES culvert_test_data_path ring base Threads::Threads)
