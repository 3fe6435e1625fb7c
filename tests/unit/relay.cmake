# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(relay_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/relay_refusal_test.cc ${CMAKE_CURRENT_LIST_DIR}/relay_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/relay_ends.cc
  USES culvert_test_data_path relay policy crypto base)
