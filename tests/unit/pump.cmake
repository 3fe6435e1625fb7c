# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(pump_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/pump_test.cc USES relay base)
