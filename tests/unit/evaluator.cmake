# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(evaluator_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/evaluator_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/evaluator_condition_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/evaluator_explain_test.cc
  USES evaluator identity base)

# Random policy sets and connections, for whatever judges them.
add_library(culvert_test_policy_cases STATIC
  ${CMAKE_CURRENT_LIST_DIR}/../support/policy_cases.cc
  ${CMAKE_CURRENT_LIST_DIR}/../support/policy_compiled.cc
  ${CMAKE_CURRENT_LIST_DIR}/../support/policy_text.cc)
target_include_directories(culvert_test_policy_cases PUBLIC ${CMAKE_CURRENT_LIST_DIR}/../support)
target_link_libraries(culvert_test_policy_cases
  PUBLIC culvert_evaluator culvert_policy culvert_identity culvert_base PRIVATE culvert_flags)

culvert_unit_test(policy_property_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/policy_property_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/policy_mix_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/policy_boxes.cc
  USES culvert_test_policy_cases evaluator identity base)
