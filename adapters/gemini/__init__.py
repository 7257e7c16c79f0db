"""Stories written by Gemini, through Google's SDK google-genai."""
