# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(handshake_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/handshake_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/handshake_peer_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/handshake_refusal_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/handshake_resumption_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/handshake_opening_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/handshake_ends.cc
  USES handshake culvert_test_certificates boringssl_ssl)
