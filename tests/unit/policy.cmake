# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(policy_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/policy_test.cc ${CMAKE_CURRENT_LIST_DIR}/policy_compile_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/policy_classes_test.cc
  USES policy identity crypto base)
