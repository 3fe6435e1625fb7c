# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(offload_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/offload_refusal_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/offload_records_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/offload_kernel_test.cc
  USES culvert_test_data_path offload crypto base)
