# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(node_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/node_explain_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/node_policies_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/node_steering_test.cc
  USES node)
