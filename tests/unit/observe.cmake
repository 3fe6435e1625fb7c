# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(observe_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/observe_access_log_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/observe_metrics_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/observe_admin_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/observe_docs_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/observe_policies_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/observe_policy_metrics_test.cc
  USES observe evaluator identity crypto base)
target_compile_definitions(observe_test PRIVATE CULVERT_DOCS="${CMAKE_SOURCE_DIR}/docs")
