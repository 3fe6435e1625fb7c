# SPDX-License-Identifier: Apache-2.0
culvert_fuzz(control_message SOURCES control_message_fuzz.cc USES tunnel)
