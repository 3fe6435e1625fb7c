# SPDX-License-Identifier: Apache-2.0
find_package(Threads REQUIRED)
culvert_unit_test(log_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/log_test.cc USES base)
culvert_unit_test(event_queue_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/event_queue_test.cc
                  USES base Threads::Threads)
