"""Writes the table behind NFC, NFD, NFKC and NFKD: run it with a newer Python to take in a newer Unicode.

usage: python3 scripts/unicode_normalization.py > src/Attention.Data/Text/Tokenizers/Unicode/normalization.txt
"""
import sys
import unicodedata

print(f"# Unicode {unicodedata.unidata_version}, from the Unicode Character Database (Unicode License v3).")
print("# CODE>CODE...  canonical decomposition (one step)   CODE~CODE...  compatibility decomposition   CODE!  never composed")
print("# CODE:CLASS    canonical combining class")
for code in range(sys.maxunicode + 1):
    if 0xAC00 <= code <= 0xD7A3:
        continue
    character = chr(code)
    decomposition = unicodedata.decomposition(character)
    if decomposition:
        compatible = decomposition.startswith("<")
        parts = decomposition.split("> ")[1] if compatible else decomposition
        print(f"{code:X}{'~' if compatible else '>'}{parts}")
        # What does not come back from its own decomposition is excluded from composition.
        if not compatible and unicodedata.normalize("NFC", unicodedata.normalize("NFD", character)) != character:
            print(f"{code:X}!")
    if unicodedata.combining(character):
        print(f"{code:X}:{unicodedata.combining(character)}")
