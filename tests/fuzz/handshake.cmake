# SPDX-License-Identifier: Apache-2.0
culvert_fuzz(handshake SOURCES ${CMAKE_CURRENT_LIST_DIR}/handshake_fuzz.cc USES handshake)
culvert_fuzz(opening SOURCES ${CMAKE_CURRENT_LIST_DIR}/opening_fuzz.cc USES handshake)
