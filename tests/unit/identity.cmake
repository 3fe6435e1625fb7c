# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(identity_test
                  SOURCES ${CMAKE_CURRENT_LIST_DIR}/identity_spiffe_id_test.cc
                          ${CMAKE_CURRENT_LIST_DIR}/identity_verify_test.cc
                          ${CMAKE_CURRENT_LIST_DIR}/identity_authority_test.cc
                          ${CMAKE_CURRENT_LIST_DIR}/identity_store_test.cc
                  USES culvert_test_certificates identity crypto base)
